"""One script a claim of the README; each prints a table and gives its figures as JSON."""
