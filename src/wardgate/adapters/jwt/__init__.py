"""Key sets and signatures, by PyJWT."""
