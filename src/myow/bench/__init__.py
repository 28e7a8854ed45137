"""Many fits of many methods on many recordings, and what they amount to."""
