"""What comes in over HTTP: one module per entry point of main.py, each a few lines over `service`, and what they share.

`form` is the request and the answer without a web framework. Nothing here trusts a body: an event says "look", never "do".
"""
