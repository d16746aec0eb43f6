"""`python -m panope_server` is the `panope` command."""

from panope_server.cli.main import main

if __name__ == "__main__":
    main()
