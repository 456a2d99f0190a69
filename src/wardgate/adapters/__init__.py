"""The world out there, a package for each technology; packages do not know each other."""
