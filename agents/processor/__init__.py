"""The processor: asks the bank about every payment and refund that needs it, and tells the actor."""
