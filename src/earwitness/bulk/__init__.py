"""Many clips: which ones (manifest), which are still to do (plan), the work (run, work), where it goes (sinks)."""
