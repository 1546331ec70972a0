"""One module for each subcommand or family of subcommands: options in, a question asked, the answer rendered."""
