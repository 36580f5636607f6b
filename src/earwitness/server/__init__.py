"""HTTP: two protocols over one exchange."""
