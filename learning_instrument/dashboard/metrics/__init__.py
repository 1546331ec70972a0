"""What ``/metrics`` answers."""
