"""The verbs of the command line, one subject a file; `chainrule.cli` reads their options."""
