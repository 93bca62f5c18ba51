"""The payment gateway, read only: may a stored method be charged while the customer is away?"""
