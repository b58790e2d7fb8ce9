"""Other trainers: the credit rules of this package inside TRL, verl, slime and more. No formula lives here."""
