"""Pure choice: which target answers.  Clock and randomness are arguments."""
