"""What happens to a photo once its bytes are stored; untrusted bytes are decoded in child processes alone."""
