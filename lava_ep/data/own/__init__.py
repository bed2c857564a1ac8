"""Users' own files and folders: reading them, and making pixels and classes of them."""
