"""Adapters, named by technology: each passes the contract suite of its port."""
