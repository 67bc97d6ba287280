"""Framed connections, shared by broker and client."""
