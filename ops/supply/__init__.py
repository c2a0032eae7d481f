"""What the gateway is made of besides its own code: the bill of materials, and whether its licences may be used."""
