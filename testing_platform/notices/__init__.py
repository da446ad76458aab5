"""The outbox: mail is written down in the transaction of its cause and goes out after it is kept."""
