"""How the news encoder is made and measured; nothing of the service imports this package."""
