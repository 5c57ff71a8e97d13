"""`fmnist grade`: from submissions to marks; `grade` has the whole way."""
