"""Recordings from outside: hostile until sniffed, probed and decoded with a demuxer that we choose."""
