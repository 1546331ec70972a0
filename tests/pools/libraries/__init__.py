"""How a task gets into the pools of each library. A module is imported where its library is installed."""
