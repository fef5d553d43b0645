"""What Safelight knows about photos and jobs: pure, no clock, no input, no output."""
