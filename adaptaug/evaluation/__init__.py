"""Children trained under arms, and what is measured of them and of ops."""
