"""`python -m chainrule`: the command line, where its script is on no path."""

from chainrule.cli import main

if __name__ == "__main__":
    main()
