"""The page at `/`: its files, and the raw upload that only it may use. Captions come by the public API."""
