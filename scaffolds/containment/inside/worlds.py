"""What contained code sees of `worlds`: reading maps out of texts (`worlds.map_reading`). No world, no engine."""
