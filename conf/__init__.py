"""The Hydra tree; installed as the package segsweep.conf, and Hydra finds a package only with this file."""
