"""What every room needs and nothing about sales calls: settings, errors, clock, ids, logging, outbound HTTP, storage."""
