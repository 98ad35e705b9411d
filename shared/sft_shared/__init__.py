"""What server and client share: data, models, training, evaluation and the wire."""
