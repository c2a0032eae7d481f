"""The processor: sends each payment and refund that needs it to the bank, and reports the outcome to the actor."""
