"""Files that hold both sides of every pair: translation memories, localization files, tables, archives of text."""
