"""Finance: terms brought to one form, compliance rules, card numbers masked."""
