"""One file a probe. Found by the registry, never imported by name."""
