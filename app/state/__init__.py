"""What the server keeps for open pages: sessions, pictures, questions asked, uploads."""
