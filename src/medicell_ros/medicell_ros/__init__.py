"""What every ROS node of the cell shares: conversion, quality of service, parameters."""
