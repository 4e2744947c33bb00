"""What Facebook and Instagram share: Meta's Graph, its client, its refusals and its pages."""
