"""The server of ``learning-instrument serve``: who may ask, what was asked, what is answered."""
