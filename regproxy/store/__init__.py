"""The cache on disk: verified content in files, what names meant in an index, and the rules of what leaves."""
