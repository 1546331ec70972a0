"""The pictures in the documentation, made from the pages themselves."""
