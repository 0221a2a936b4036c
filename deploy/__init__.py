"""How the product runs outside of one machine's `rop up`: images, manifests, units, and a fleet on this machine."""
