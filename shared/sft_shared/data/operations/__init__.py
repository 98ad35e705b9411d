"""Operations logs: templates mined, terms found, lines diagnosed, and faults traced step by step."""
