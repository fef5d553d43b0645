"""The live channel: STOMP as a pure protocol, the hub that feeds its readers, and the thin shell."""
