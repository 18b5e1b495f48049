"""The kinds of custom fields, a file each."""
