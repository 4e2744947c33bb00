"""What leaves the house: the severity ladder, e-mails, phones and takeover."""
