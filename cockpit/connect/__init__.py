"""The only modules that import a driver. Every session is opened for a role."""
