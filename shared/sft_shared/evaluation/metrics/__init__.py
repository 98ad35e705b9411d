"""What an answer is judged by: a value of an answer and its example, and one of all of them."""
