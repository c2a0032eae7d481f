"""A deterministic simulation of the gateway: the product's own code in a simulated environment, determined by one seed.

    python -m simulation --seed 7              one world; --history prints what happened
    python -m simulation --seeds 0:200         many worlds, on all cores

    scheduler ─► world ─► roles (real code) ─► log · database · redis · bank · receivers (simulated)
                   │                                │
                faults (families, by seed)          └─► oracle: checks every promise  ─► shrink ─► report

docs/SIMULATION.md describes what is simulated, how to read a history, and what is not.
"""
