"""Consumer groups: who is a member, who owns which partition, and up to where was read."""
