"""How a task gets into the pools of each library: ``POOLS``, and ``EXTRAS``. Imported where the library is installed."""
